"""How does an exercise judge an answer on a page, without Python behind it?

`variants` computes a number of variants when the site is built, `sealed` puts their right answers
out of sight, and `sphinx` is the extension that writes both beside the pages that show exercises;
`virtlab/labs/static` has the JavaScript that judges. Code is judged in a notebook alone.

A page can keep no secret. What it can tell a reader about an answer, a reader can find out without
giving one. So nothing here is fit for marks: those are given where the answers are computed.
"""
