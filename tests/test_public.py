"The public names: one import, nothing loaded before a name is used."
import subprocess, sys
import pytest, weakse

def said(code):
    "What a fresh Python prints."
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr
    return r.stdout.strip()

@pytest.mark.parametrize('name', weakse.__all__)
def test_a_public_name_is_there(name):
    assert callable(getattr(weakse, name)) and name in dir(weakse)

def test_importing_loads_nothing():
    heavy = "[m for m in sys.modules if m.split('.')[0] in ('torch','numpy','pandas') or m.startswith('weakse.')]"
    assert said(f"import sys, weakse; print({heavy})")=='[]'

def test_a_name_is_loaded_when_it_is_asked_for():
    assert said("import sys, weakse; weakse.Params; print('torch' in sys.modules, 'weakse.core.params' in sys.modules)")=='False True'

def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match="has no 'enhence'; public are .*enhance"): weakse.enhence

def test_the_verbs_of_the_package_and_its_functions_do_not_hide_each_other():
    "`weakse.enhance` stays the function when modules of a similar name were imported."
    code = ("import weakse.inference.enhance, weakse.inference.extract, weakse.inference.mixer, weakse;"
            "print(callable(weakse.enhance), callable(weakse.extract), callable(weakse.detect))")
    assert said(code)=='True True True'

def test_the_package_is_the_command():
    r = subprocess.run([sys.executable, '-m', 'weakse', '--help'], capture_output=True, text=True)
    assert r.returncode==0 and 'enhance' in r.stdout and 'extract' in r.stdout, r.stderr
