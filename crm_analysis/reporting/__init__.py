"""From results to what people open: notebooks, HTML, workbook, manifest, and the folder that holds them."""
