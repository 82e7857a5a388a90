"""Results as one HTML file for people: figures, tables and method, in English and Chinese.

Drawing needs the extra ``report``: import ``greenband.report.page`` for that.
"""
