"""``python -m nnunet_uad`` is ``nnunet_uad``."""

import sys

from nnunet_uad.cli.main import main

sys.exit(main())
