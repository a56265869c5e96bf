"""Services built from other contracts than today's: with something added, as the last release had them, and broken ones."""
