"""Operator: a Skill in Kubernetes becomes what it takes to run it."""
