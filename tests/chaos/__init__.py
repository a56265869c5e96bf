"""Faults against the whole system while devices talk to it, and a checker that hears only what the devices heard."""
