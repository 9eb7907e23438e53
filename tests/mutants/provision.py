"""Bugs in what makes boards members of a fleet: trials, roles, proof, what must not be lost."""

from .mutant import Mutant

_HOME = "host/motekit/provision/"
_TRIAL = "firmware/motefw/trial.py"
_CUT = ("test_a_step_that_is_cut_off_anywhere_comes_to_the_same",)

PROVISION = (
    Mutant(
        "trial: former files are not kept",
        _TRIAL,
        "        if had and not _is_there(path + _OLD):\n",
        "        if not had:\n",
        "trial",
        _CUT,
    ),
    Mutant(
        "trial: undone, new files stay",
        _TRIAL,
        "    elif not had:\n        remove(path)\n",
        "",
        "trial",
        _CUT,
    ),
    Mutant(
        "trial: kept without its mark",
        _TRIAL,
        '    if step == "keep":\n        write_json(root + MARK_FILE, trial["mark"])\n',
        "",
        "trial",
        _CUT,
    ),
    Mutant(
        "records: no lock among programs",
        _HOME + "records.py",
        "                    fcntl.flock(file, fcntl.LOCK_EX)\n",
        "                    del fcntl\n",
        "records",
        ("test_no_two_get_one_role_however_many_ask",),
    ),
    Mutant(
        "records: a torn line is built upon",
        _HOME + "records.py",
        "                file.truncate(end - len(self._torn))\n",
        "                del end\n",
        "records",
        ("test_a_line_that_was_cut_off_was_never_there",),
    ),
    Mutant(
        "records: what failed keeps its role",
        _HOME + "records.py",
        '        elif event == FAILED and not row.get("on_trial"):\n',
        "        elif event == FAILED and not row:\n",
        "records",
        ("test_what_failed_gives_its_role_back_unless_it_was_its_own",),
    ),
    Mutant(
        "guard: unsent packets are lost",
        _HOME + "guard.py",
        "    if found.unsent > 0 and not discard:\n",
        "    if found.unsent < 0 and not discard:\n",
        "provision",
        ("test_unsent_packets_are_not_lost_in_silence",),
    ),
    Mutant(
        "guard: older records are believed",
        _HOME + "guard.py",
        "    if unit.generation and found.generation > unit.generation:\n",
        "    if not unit.generation and found.generation > unit.generation:\n",
        "provision",
        ("test_records_that_know_less_than_the_board_are_refused",),
    ),
    Mutant(
        "proof: what cannot be is believed",
        _HOME + "plausible.py",
        "        elif not low <= value <= high:\n",
        "        elif not low <= high:\n",
        "provision",
        ("test_what_cannot_be_is_no_reading",),
    ),
    Mutant(
        "session: a board that failed stays as it is",
        _HOME + "session.py",
        "                transaction.undo(prompt)\n                prompt.restart()\n"
        "            self._on_trial = False\n",
        "                prompt.restart()\n            self._on_trial = False\n",
        "provision",
        ("test_a_board_that_fails_is_what_it_was",),
    ),
    Mutant(
        "raw_prompt: errors show what is written",
        "host/motekit/prompt/raw.py",
        'what=f"writing {name}"',
        "what=repr(piece)",
        "raw_prompt",
        ("test_no_error_shows_what_a_file_is_to_hold",),
    ),
)
