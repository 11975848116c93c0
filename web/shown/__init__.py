"""What pages show: frozen view-model values made from the rooms' own, one module per subject.

A template's head comment names the fields it reads; the classes here are those fields, so mypy knows them.
"""
