//! Compiles the functions of libtorch that the C interface of torch-sys does not expose.

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
        // torch-sys names the directory of the libraries that it links, on Linux and macOS. It
        // names none if it is built only for its documentation.
        let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
            println!("cargo::warning=torch-sys links no libtorch: only documentation can be built");
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

    /// Lets `cargo run` and `cargo test` find the libraries. Cargo passes on the search paths of
    /// build scripts, but only those below the profile's directory, so this makes a link to
    /// libtorch there.
    fn make_findable(libraries: &Path) {
        let out = env::var_os("OUT_DIR").expect("cargo tells build scripts where to write");
        let link = Path::new(&out).join("libtorch");
        // An earlier build may have left a link.
        let _ = fs::remove_file(&link);
        #[cfg(unix)]
        if std::os::unix::fs::symlink(libraries, &link).is_ok() {
            println!("cargo::rustc-link-search=native={}", link.display());
        }
    }

    /// Returns the directories that torch-sys takes its headers from, in its own order: beside the
    /// libraries, unless the environment says otherwise. The headers of another libtorch would
    /// disagree about the memory layout of a tensor.
    fn include_directories(libraries: &Path) -> Vec<PathBuf> {
        let told = |name: &str| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var_os(name).map(PathBuf::from)
        };
        let beside = libraries.parent().map(Path::to_owned);
        let roots = if told("LIBTORCH_USE_PYTORCH").is_some() {
            [beside, None, None]
        } else {
            [told("LIBTORCH_INCLUDE"), told("LIBTORCH"), beside]
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
