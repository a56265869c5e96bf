"""What a fleet of devices needs: figures that were measured, assumptions that have names, and arithmetic."""
