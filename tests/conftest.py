"What every test stands on: one thread, no window, no cache folder of the person who runs it."
import functools, os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')
import typer.testing

# what a test asks in this process is parsed by a command that is put together once: of forty verbs that takes a tenth
# of a second
typer.testing._get_command = functools.cache(typer.testing._get_command)

def pytest_configure(config):
    config.addinivalue_line('markers', "scale: several processes, machines or a killed run; `make test-scale`")
    config.addinivalue_line('markers', "cuda: an NVIDIA GPU, and NCCL between several; `make test-cuda`")

def pytest_runtest_logreport(report):
    "In `make test-scale` and `make test-cuda` nothing may be left out."
    if report.skipped and os.environ.get('WEAKSE_NO_SKIP'):
        report.outcome = 'failed'
