"""Pictures and volumes beside each other on a page: what `zoo view` shows."""
