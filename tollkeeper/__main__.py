"""`python -m tollkeeper` is the command `tollkeeper`."""

import sys

from tollkeeper.cli.main import main

sys.exit(main())
