"""Is everything there that nnU-Net and the trainers need?"""
