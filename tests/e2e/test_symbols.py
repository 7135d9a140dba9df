"""No function or variable has the same name in two rooms. The linker takes the first one that it
meets in an archive and says nothing, so that one room calls another's function."""

import glob
import os
import subprocess
import unittest

import harness


class Symbols(unittest.TestCase):
    def test_each_name_once(self):
        harness.need("nm")
        archives = glob.glob(os.path.join(harness.BUILD, "core", "*", "libtracer_*.a"))
        self.assertGreater(len(archives), 5)
        places = {}
        for path in archives:
            done = subprocess.run(["nm", "--defined-only", "--extern-only", path],
                                  capture_output=True, text=True, check=True)
            for line in done.stdout.splitlines():
                words = line.split()
                if len(words) == 3 and words[1] in "TDRB":
                    places.setdefault(words[2], []).append(os.path.basename(path))
        self.assertEqual({n: p for n, p in places.items() if len(p) > 1}, {})


if __name__ == "__main__":
    unittest.main()
