"""What tests, of this project and of its users, need of a bench."""
