"""Calling out: the one gate every outgoing call passes, and how a cleared call is handed on."""
