"""What a run was worth, as one HTML file that opens anywhere."""
