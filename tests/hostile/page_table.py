"""Puts a table into a page of the documents, between its two marks."""


def put(page, begin, end, table):
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    after = rest.split(end)[1]
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join([before + begin, "", *table, "", end + after]))
