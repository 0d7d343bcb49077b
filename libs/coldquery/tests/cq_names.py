"""Names that PostgreSQL takes, the awkward ones first."""

from hypothesis import strategies as st

NAMES = st.one_of(
    st.sampled_from(
        ['"', "a.b", "select", "Üñí", "x; drop table customer", "'", "a b", "$1", "%I", "--", "{name}"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
).filter(lambda name: 1 <= len(name.encode()) <= 63)
