"""What plugin authors test with: the contract kit and a synthetic corpus.

    from dstoolkit.testing import parametrize_with_checks
    from my_package.encoder import MyEncoder

    @parametrize_with_checks([MyEncoder])
    def test_contract(check):
        check()

``run_checks(MyEncoder)`` does the same without pytest and returns an ``Outcome`` per check; so does the command
``dstoolkit plugins check NAME``. ``dstoolkit.testing.corpus.write(folder)`` writes a corpus that any sound encoder
learns in seconds.
"""

from dstoolkit.testing.checks import Outcome, Subject, parametrize_with_checks, run_checks

__all__ = ["Outcome", "Subject", "parametrize_with_checks", "run_checks"]
