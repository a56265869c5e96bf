"""What runs in a Kubernetes cluster, and what is wrong with it. Imported by its commands only when they run."""
