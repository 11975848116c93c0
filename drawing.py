"""The worker of what takes seconds, able to draw pages: files of long tables hold what their pages show."""

import sys

from web.drawing import furnish
from workers import heavy

if __name__ == "__main__":
    sys.exit(heavy.main(furnish))
