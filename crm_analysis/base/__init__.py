"""What every part needs and what knows no data: settings, periods, words, style, metric definitions, privacy."""
