"""Results as one HTML file for people: figures, tables and method, in English and Chinese."""
