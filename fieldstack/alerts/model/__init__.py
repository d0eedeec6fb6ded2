"""What an alert is, and how alerts are set up."""
