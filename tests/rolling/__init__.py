"""Every service is restarted while devices hold dialogues."""
