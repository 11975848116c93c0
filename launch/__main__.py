"""`python -m launch up|down|doctor`: each is a module of its own, so that none loads the others."""

import runpy
import sys

COMMANDS = ("up", "down", "doctor")

if len(sys.argv) > 1 and sys.argv[1] in COMMANDS:
    command = sys.argv.pop(1)
    sys.argv[0] = f"launch {command}"
    runpy.run_module(f"launch.{command}", run_name="__main__")
else:
    sys.exit(f"usage: python -m launch {'|'.join(COMMANDS)}")
