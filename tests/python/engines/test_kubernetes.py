"""The command and the variables of the pods of an indexed Job of Kubernetes. There is no cluster."""

import signal

import yaml

from engines import JOBS, EngineTest


class Kubernetes(EngineTest):
    def setUp(self):
        super().setUp()
        job = yaml.safe_load((JOBS / "kubernetes.yaml").read_text())
        self.assertEqual((job["apiVersion"], job["kind"]), ("batch/v1", "Job"))
        self.spec, self.job = job["spec"], job["metadata"]["name"]
        self.pod = self.spec["template"]["spec"]
        (self.container,) = self.pod["containers"]

    def start_pod(self, index, command=None):
        """Starts the command of the container as pod `index`, with the volume in the test's directory."""
        (mount,) = self.container["volumeMounts"]
        command = command or self.container["command"]
        command = [word.replace(mount["mountPath"], str(self.directory)) for word in command]
        return self.start(*command, JOB_COMPLETION_INDEX=str(index), HOSTNAME=f"{self.job}-{index}")

    def test_the_job_can_be_indexed(self):
        self.assertEqual(self.spec["completionMode"], "Indexed")
        self.assertEqual(self.spec["completions"], self.spec["parallelism"])
        # Rules for exit codes need pods that are never restarted in place.
        self.assertEqual(self.pod["restartPolicy"], "Never")
        names = [volume["name"] for volume in self.pod["volumes"]]
        self.assertEqual([mount["name"] for mount in self.container["volumeMounts"]], names)

    def test_the_pods(self):
        n = self.spec["completions"]
        for pod in [self.start_pod(i) for i in range(n)]:
            self.ended(pod)
        names = [f"worker {i}, of an unknown number (JOB_COMPLETION_INDEX={i})" for i in range(n)]
        self.assertEqual(self.names(), names)
        self.check_together()

    def test_a_pod_that_is_stopped(self):
        (held,) = self.hold()
        pods = [self.start_pod(i) for i in range(3)]
        self.wait_for_others(2, [held])
        (index,) = [i for i, pod in enumerate(pods) if pod.pid == held.pid]
        pods[index].send_signal(signal.SIGTERM)
        held.wait_for_signal()
        held.let_go()
        self.ended(pods[index], code=75)
        rules = self.spec["podFailurePolicy"]["rules"]
        ignored = [rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule and rule["action"] == "Ignore"]
        self.assertEqual(ignored, [[75]])
        n_kept = self.n_kept()
        self.ended(self.start_pod(index))
        self.check_complete(n_restored=n_kept)

    def test_influence(self):
        for n in (1, 4):
            pods = [self.start_pod(i, ["influence", f"of-{n}"]) for i in range(n)]
            output = "".join(self.ended(pod) for pod in pods)
            self.assertEqual(self.check_influence(output, f"of-{n}"), n)
