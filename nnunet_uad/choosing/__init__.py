"""Which pretraining pays on the labels at hand: arms in a race of studies, and the one test that decides."""
