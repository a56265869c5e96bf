"""Long tests of deployment: `make test-deploy`."""
