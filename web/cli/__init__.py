"""The operator's command line: `python -m web.cli`."""
