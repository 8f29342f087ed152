//! Compiles what the crate asks of libtorch beyond the C interface of torch-sys.

fn main() {
    #[cfg(feature = "tch")]
    tensor_facts::compile();
}

#[cfg(feature = "tch")]
mod tensor_facts {
    use std::env;
    use std::path::{Path, PathBuf};

    const SOURCE: &str = "src/facts.cpp";

    pub(super) fn compile() {
        println!("cargo::rerun-if-changed={SOURCE}");
        // torch-sys says where the libraries are that it links; nothing when it is built for its
        // documentation alone.
        let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .includes(include_directories(Path::new(&libraries)))
            .file(SOURCE)
            .compile("lazy_tch_facts");
    }

    /// The headers lie beside the libraries, unless torch-sys was told otherwise.
    fn include_directories(libraries: &Path) -> Vec<PathBuf> {
        let told = ["LIBTORCH_INCLUDE", "LIBTORCH"].into_iter().filter_map(|name| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var_os(name).map(PathBuf::from)
        });
        let roots = libraries.parent().map(Path::to_owned).into_iter().chain(told);
        roots.map(|root| root.join("include")).collect()
    }
}
