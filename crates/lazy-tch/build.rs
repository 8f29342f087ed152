//! Compiles what the crate asks of libtorch beyond the C interface of torch-sys.

fn main() {
    #[cfg(feature = "tch")]
    tensor_facts::compile();
}

#[cfg(feature = "tch")]
mod tensor_facts {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    const SOURCE: &str = "src/facts.cpp";

    pub(super) fn compile() {
        println!("cargo::rerun-if-changed={SOURCE}");
        // torch-sys says where the libraries are that it links, on Linux and macOS; nothing when it is
        // built for its documentation alone.
        let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
            println!(
                "cargo::warning=torch-sys links no libtorch: this can be documented, not linked"
            );
            return;
        };
        let libraries = Path::new(&libraries);
        make_findable(libraries);
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .includes(include_directories(libraries))
            .file(SOURCE)
            .compile("lazy_tch_facts");
    }

    /// `cargo run` and `cargo test` let programs find libraries where build scripts say that they lie,
    /// but only below the directory of the profile. So a link there leads to libtorch.
    fn make_findable(libraries: &Path) {
        let out = env::var_os("OUT_DIR").expect("cargo tells build scripts where to write");
        let link = Path::new(&out).join("libtorch");
        // From an earlier run.
        let _ = fs::remove_file(&link);
        #[cfg(unix)]
        if std::os::unix::fs::symlink(libraries, &link).is_ok() {
            println!("cargo::rustc-link-search=native={}", link.display());
        }
    }

    /// Where torch-sys has its headers from, as it looks for them: beside the libraries, unless it was told
    /// otherwise. Those of another libtorch would disagree about what lies where in a tensor.
    fn include_directories(libraries: &Path) -> Vec<PathBuf> {
        let told = |name: &str| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var_os(name).map(PathBuf::from)
        };
        let beside = libraries.parent().map(Path::to_owned);
        let roots = match told("LIBTORCH_USE_PYTORCH") {
            Some(_) => [beside, None, None],
            None => [told("LIBTORCH_INCLUDE"), told("LIBTORCH"), beside],
        };
        let roots = roots.into_iter().flatten();
        let directories: Vec<_> = roots.map(|root| root.join("include")).collect();
        for directory in &directories {
            let header = directory.join("ATen/core/TensorBase.h");
            if header.exists() {
                println!("cargo::rerun-if-changed={}", header.display());
            }
        }
        directories
    }
}
