"""A long life: devices come, talk and go, and nothing grows."""
