"""The doorway for the machine: unpack the parts, write the settings, start, watch and stop processes.

`make` calls it; it knows programs, ports, folders and accounts of the operating system, and nothing of
calls or customers. Start reading at `launch.up`. Rule: docs/adr/0002-launch-room.md.
"""
