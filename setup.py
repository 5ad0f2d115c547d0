"Builds the package from settings.ini, the one configuration: edit there, not here."
from configparser import ConfigParser
from pathlib import Path
import shlex
import setuptools

config = ConfigParser(delimiters=['='])
config.read(Path(__file__).with_name('settings.ini'), encoding='utf-8')
cfg = config['DEFAULT']

def requirements(key): return shlex.split(cfg.get(key, '') or '')

# every `NAME_requirements` is the extra NAME: pip install 'weakse[NAME]'
extras = {k.removesuffix('_requirements'): requirements(k) for k in cfg if k.endswith('_requirements') and k != 'pip_requirements'}

setuptools.setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'],
    license='Apache-2.0 AND MIT', license_files=['LICENSE', 'NOTICE', 'weakse/core/pretrained/*/LICENSE'],
    python_requires='>=' + cfg['min_python'],
    classifiers=[f'Programming Language :: Python :: {version}' for version in cfg['python_versions'].split()],
    packages=setuptools.find_packages(include=[cfg['lib_path'], cfg['lib_path'] + '.*']),
    package_data={cfg['lib_path']: ['core/vocabularies/*.csv', 'corpora/debian_tables/*.csv', 'app/static/*', 'core/pretrained/*', 'core/pretrained/*/*', 'cli/new_folder/*']},
    install_requires=requirements('requirements') + requirements('pip_requirements'), extras_require=extras,
    entry_points={'console_scripts': cfg.get('console_scripts', '').split()},
    zip_safe=False,
)
