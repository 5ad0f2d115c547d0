"What every test stands on: one thread, no window, no cache folder of the person who runs it."
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')

def pytest_configure(config):
    config.addinivalue_line('markers', "scale: several processes, machines or a killed run; `make test-scale`")
    config.addinivalue_line('markers', "cuda: an NVIDIA GPU, and NCCL between several; `make test-cuda`")

def pytest_runtest_logreport(report):
    "In `make test-scale` and `make test-cuda` nothing may be left out."
    if report.skipped and os.environ.get('WEAKSE_NO_SKIP'):
        report.outcome = 'failed'
