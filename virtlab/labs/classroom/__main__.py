"""The command of the teacher, python -m virtlab.labs.classroom; the package gives the order."""

import argparse
import importlib.util
import sys
from pathlib import Path

NAMES = "an assignment, such as chapter-02, or all"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, 1 if something could not be done, 2 for a mistake in the call."""
    options = _parser().parse_args(arguments)
    if not importlib.util.find_spec("nbgrader"):
        print("classroom: nbgrader is not installed; pip install 'virtlab[class]' adds it.")
        return 2
    from virtlab.labs.classroom.course import CourseError

    try:
        return options.action(options)
    except (CourseError, ValueError) as error:
        print(f"classroom: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"classroom: {where}{error.strerror or error}.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="classroom", description="The exercises for a class.")
    parser.add_argument("--course", default="course", help="the course's folder (default: course)")
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("new", help="make a course's folder")
    made.add_argument("folder")
    made.add_argument("--id", default="virtlab", help="its name in nbgrader's exchange")
    made.set_defaults(action=_new)
    commands.add_parser("list", help="the assignments there are").set_defaults(action=_list)
    for name, words, action in (
        ("generate", "make an assignment's notebook", _generate),
        ("collect", "take what was handed in", _collect),
        ("autograde", "mark it", _autograde),
        ("feedback", "write a page for each student", _feedback),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("assignment", help=NAMES)
        command.set_defaults(action=action)
        if name == "collect":
            command.add_argument("--from", dest="source", required=True, metavar="FOLDER")
    marks = commands.add_parser("marks", help="everybody's marks")
    marks.add_argument("--csv", type=Path, metavar="FILE", help="write a table to a new file")
    marks.set_defaults(action=_marks)
    return parser


def _course(options):
    from virtlab.labs.classroom.course import Course

    return Course(options.course)


def _names(options, course) -> list[str]:
    """The assignments that are meant; all those there are, or that are released."""
    from virtlab.labs.classroom.assignment import assignments

    if options.assignment != "all":
        return [options.assignment]
    there = list(assignments())
    if options.command == "generate":
        return there
    return [name for name in there if (course.root / "release" / name).is_dir()]


def _new(options) -> int:
    from virtlab.labs.classroom.course import new

    course = new(options.folder, options.id)
    print(f"{course.root}: keep secret.txt to yourself, and in a backup.")
    return 0


def _list(options) -> int:
    from virtlab.labs.classroom.assignment import POINTS, assignments

    for name, exercises in assignments().items():
        points = sum(POINTS[one.grade] for one in exercises)
        print(f"{name}: {len(exercises)} exercises, {points} points")
    return 0


def _generate(options) -> int:
    course = _course(options)
    for name in _names(options, course):
        print(f"{name}: hand out {course.generate(name)}")
    return 0


def _collect(options) -> int:
    course, refused = _course(options), 0
    for name in _names(options, course):
        taken = course.collect(name, options.source)
        for one in taken:
            if one.path is None:
                refused += 1
                print(f"{name}, {one.student}: not taken. {one.words}")
        print(f"{name}: {sum(1 for one in taken if one.path)} taken")
    return 1 if refused else 0


def _autograde(options) -> int:
    course, failed = _course(options), 0
    for name in _names(options, course):
        told = course.autograde(name)
        for student, words in told.items():
            if words:
                failed += 1
                print(f"{name}, {student}: not marked. {words}")
        print(f"{name}: {sum(1 for words in told.values() if not words)} marked")
    return 1 if failed else 0


def _feedback(options) -> int:
    course = _course(options)
    for name in _names(options, course):
        for page in course.feedback(name):
            print(page)
    return 0


def _marks(options) -> int:
    from virtlab.labs.classroom.course import as_csv

    text = as_csv(_course(options).marks())
    if options.csv is None:
        print(text, end="")
    else:
        with options.csv.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
