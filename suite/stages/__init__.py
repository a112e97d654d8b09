"""Pipeline stages that join the packages: what `dvc.yaml` calls through the command line."""
