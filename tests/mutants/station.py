"""Bugs in a station: what it begins, what it takes for done, what it writes down."""

from .mutant import Mutant

_HOME = "host/motekit/station/"

STATION = (
    Mutant(
        "station: a verdict that is not on the disk",
        _HOME + "journal.py",
        "            os.fsync(self._file.fileno())\n",
        "",
        "station",
        ("test_a_disk_that_is_full_passes_no_board",),
    ),
    Mutant(
        "station: a board that was begun anew counts as done",
        _HOME + "journal.py",
        "if each.device == device), None)",
        'if each.device == device and each.what == "passed"), None)',
        "station",
        ("test_a_journal_says_what_it_was_told",),
    ),
    Mutant(
        "station: a torn line stays",
        _HOME + "journal.py",
        "        self._file.truncate(end)\n",
        "",
        "station",
        ("test_a_journal_that_a_crash_has_cut_off_loses_its_last_line_alone",),
    ),
    Mutant(
        "station: another board that comes quickly is taken for the one before",
        _HOME + "desk.py",
        'if slot.state == "failed" and away_s < FLICKER_S:',
        "if away_s < FLICKER_S:",
        "station",
        ("test_what_comes_back_is_looked_at_anew_however_quick",),
    ),
    Mutant(
        "station: a board that resets for ever is begun for ever",
        _HOME + "desk.py",
        'if slot.state == "failed" and away_s < FLICKER_S:',
        "if False:",
        "station",
        ("test_a_failed_board_that_resets_for_ever_is_begun_once",),
    ),
    Mutant(
        "station: two boards of one id",
        _HOME + "run.py",
        "                if other is None:\n",
        "                if other is None or other:\n",
        "station",
        ("test_two_boards_of_one_id_are_not_made_alike",),
    ),
    Mutant(
        "station: more at once than there is room for",
        _HOME + "desk.py",
        "room = 0 if self.closing else self.at_once - len(self.busy())",
        "room = 0 if self.closing else self.at_once",
        "station",
        ("test_no_more_than_so_many_at_once_and_who_came_first_is_first",),
    ),
    Mutant(
        "station: a board that is not finished has passed",
        _HOME + "run.py",
        'state, why = "pulled", "the station has ended"',
        'state, why = "passed", ""',
        "station",
        ("test_it_ends_when_no_board_is_in_the_middle_or_at_once",),
    ),
)
