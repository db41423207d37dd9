"""What a user meets who hands over something that cannot work."""
