"""Command line: one small file per subcommand of ``nnunet_uad``."""
