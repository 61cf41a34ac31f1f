"""From the results of a study to one page: tables, figures, pictures, and the answer in words."""
