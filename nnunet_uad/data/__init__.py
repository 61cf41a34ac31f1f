"""Which patches are drawn: healthy ones where labels exist, any where they do not."""
