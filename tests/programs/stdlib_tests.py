"""Runs the test modules of Python's standard library that are named, and writes down how each test ended.

Arguments: a file for lines of a test's name and its outcome, and the modules."""
import sys
import unittest


class Outcomes(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def note(self, test, outcome):
        print(test.id(), outcome, file=self.out)

    def addSuccess(self, test):
        self.note(test, "passed")

    def addSkip(self, test, reason):
        self.note(test, "skipped")

    def addFailure(self, test, error):
        self.note(test, "failed: %s" % error[0].__name__)

    def addError(self, test, error):
        self.note(test, "broken: %s" % error[0].__name__)

    def addExpectedFailure(self, test, error):
        self.note(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        self.note(test, "passed unexpectedly")

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.note(subtest, "failed: %s" % error[0].__name__)


path, *modules = sys.argv[1:]
# Modules look at the arguments when they are loaded.
sys.argv[1:] = []
with open(path, "w") as out:
    unittest.defaultTestLoader.loadTestsFromNames(modules).run(Outcomes(out))
