"""Ray makes what one process makes: in a cluster that is started for the work, and in one of two nodes, of which one dies."""
import os, threading, time
from importlib.util import find_spec
from pathlib import Path
import pytest
from test_scale import corpus, made, same, truth   # fixtures, and what the same store is
from weakse.core.parallel import pmap

HERE = Path(__file__).parent
scale = [pytest.mark.scale, pytest.mark.skipif(not find_spec('ray'), reason="Ray is the extra `scale`")]
def with_ray(test):
    for mark in scale:
        test = mark(test)
    return test

@pytest.fixture
def path_of_workers(monkeypatch):
    "Workers import the modules of these tests by name."
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get('PYTHONPATH', '')]))

def marked(folder, i):
    "Leaves a line for each time that an item is begun, takes its time, and leaves one when it is done."
    with open(Path(folder)/f'begun_{i}', 'a') as f: f.write('x')
    time.sleep(.5)
    with open(Path(folder)/f'done_{i}', 'a') as f: f.write('x')
    return i*i

class Job:
    "`marked` in a folder."
    def __init__(self, folder): self.folder = str(folder)
    def __call__(self, i): return marked(self.folder, i)

@with_ray
def test_ray_makes_the_same_store(corpus, truth, tmp_path, path_of_workers):
    made(corpus, tmp_path/'out', backend='ray')
    same(truth.folder, tmp_path/'out')

def two_nodes(tries=3):
    "A cluster of two nodes on this machine, and the second of them. Ray waits 30 s for a node, which a busy machine may not do."
    from ray.cluster_utils import Cluster
    for left in reversed(range(tries)):
        cluster = Cluster(initialize_head=False)
        try:
            cluster.add_node(num_cpus=1, include_dashboard=False)
            return cluster,cluster.add_node(num_cpus=1)
        except Exception as e:
            cluster.shutdown()
            if not left or 'timed out' not in str(e): raise

@with_ray
def test_a_node_dies_and_nothing_is_lost_or_done_twice(tmp_path, path_of_workers):
    import ray
    cluster,second = two_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level='ERROR')
    def kill():
        while len(list(tmp_path.glob('done_*'))) < 4: time.sleep(.05)
        cluster.remove_node(second, allow_graceful=False)
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = pmap(Job(tmp_path), list(range(16)), backend='ray', n_workers=2)
    finally:
        killer.join()
        ray.shutdown()
        cluster.shutdown()
    assert found==[i*i for i in range(16)]
    done = {i: len((tmp_path/f'done_{i}').read_text()) for i in range(16)}
    assert min(done.values())==1 and sum(done.values()) <= 16 + 1      # what the node had just finished may be done again
    begun = sum(len(p.read_text()) for p in tmp_path.glob('begun_*'))
    assert 16 <= begun <= 16 + 2

def double(x):
    return 2*x

@pytest.mark.skipif(bool(find_spec('ray')), reason="Ray is installed")
def test_without_ray_a_line_says_what_to_install():
    with pytest.raises(ImportError, match=r"pip install 'weakse\[scale\]'"):
        pmap(double, [1], backend='ray')
