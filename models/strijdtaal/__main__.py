"""``python -m strijdtaal``: the same as the command ``strijdtaal``."""

from strijdtaal.cli import main

raise SystemExit(main())
