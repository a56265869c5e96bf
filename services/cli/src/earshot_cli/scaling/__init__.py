"""A simulation of KEDA and the HorizontalPodAutoscaler over a fleet's load: pure, seeded, in virtual time."""
