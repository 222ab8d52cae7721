"""What the scripts of benchmarks/run/ share. benchmarks/README.md says which file has which subject."""
