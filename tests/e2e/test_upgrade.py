"""An upgrade of the operator: a training just goes on. Other jobs that began under it would get its other trainer."""

import pytest
from cluster.kubectl import Kubectl
from cluster.real import RealCluster
from release import install
from test_faults import completes, epochs_done, train_for_a_while, uid, wait_until, workers
from under_way import long_job

pytestmark = pytest.mark.usefixtures("operator")


def test_an_upgrade_in_mid_training_leaves_the_workers_alone(own_cluster: RealCluster, namespace: Kubectl) -> None:
    namespace.create(long_job("upgraded"))
    wait_until("both workers run", lambda: len(workers(namespace, "upgraded")) == 2)
    train_for_a_while(namespace, "upgraded")
    jobs = {job["metadata"]["name"]: job["metadata"]["uid"] for job in namespace.list("jobs")}
    pods = {worker: uid(pod) for worker, pod in workers(namespace, "upgraded").items()}
    image = own_cluster.kubectl.within("steelyard-system").list("deployments")[0]["spec"]["template"]["spec"]
    # The same program under another name is another image to Kubernetes.
    own_cluster.nodes[0].ctr("images", "tag", "--force", image["containers"][0]["image"], "steelyard.dev/operator:next")
    try:
        install(
            own_cluster.kubeconfig,
            "steelyard-system",
            image__tag="next",
            trainer__image__tag="other",
            trainer__nodeLostTolerationSeconds=45,
        )
        before = epochs_done(namespace, "upgraded")
        wait_until("it still trains", lambda: epochs_done(namespace, "upgraded") > before + 10)
        assert {worker: uid(pod) for worker, pod in workers(namespace, "upgraded").items()} == pods
        completes(namespace, "upgraded")
        assert {job["metadata"]["name"]: job["metadata"]["uid"] for job in namespace.list("jobs")} == jobs
    finally:
        install(own_cluster.kubeconfig, "steelyard-system")
