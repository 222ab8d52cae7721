"""Lets the scripts in this folder import `lib`, the folder beside it, from wherever they are started: each imports
this first."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
