"""A forest and clusters of scikit-learn, with its OpenMP threads."""
import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier

random = np.random.default_rng(11)
points = np.concatenate([random.normal(centre, 0.3, (4000, 6)) for centre in range(4)])
labels = np.repeat(np.arange(4), 4000)
forest = RandomForestClassifier(40, random_state=1, n_jobs=2).fit(points, labels)
print(round(forest.score(points, labels), 4))
print(sorted(np.bincount(KMeans(4, n_init=3, random_state=1).fit_predict(points)).tolist()))
