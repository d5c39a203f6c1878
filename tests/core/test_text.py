import os

from facesent.core.text import printable, some


def test_a_few_names_are_all_said_and_of_many_the_first() -> None:
    assert some(f"{number}.jpg" for number in range(1, 6)) == "1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg"
    assert some("abcdefg") == "a, b, c, d, e and 2 more"
    assert some([]) == ""


def test_a_name_that_is_not_utf_8_can_be_printed() -> None:
    assert printable(os.fsdecode(b"Gl\xfcck.jpg")).encode() == rb"Gl\udcfcck.jpg"
    assert printable("Glück 幸せ.jpg") == "Glück 幸せ.jpg"
